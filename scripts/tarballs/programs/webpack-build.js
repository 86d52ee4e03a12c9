import webpack from "webpack";

webpack(
  {
    mode: "production",
    target: "web",
    entry: "./page.js",
    output: { path: `${import.meta.dirname}/out/webpack`, filename: "page.js" },
    performance: { hints: false }, // the weights alone are larger than what it likes
  },
  (error, stats) => {
    if (error) throw error;
    const { errors, warnings } = stats.toJson({ errors: true, warnings: true });
    for (const { message } of [...errors, ...warnings]) console.error(message);
    if (errors.length + warnings.length === 0) console.log("built");
  },
);
