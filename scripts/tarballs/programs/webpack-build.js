import webpack from "webpack";

const [page] = process.argv.slice(2);

webpack(
  {
    mode: "production",
    target: "web",
    entry: { page },
    output: { path: `${import.meta.dirname}/out/webpack`, filename: "[name].js" },
    performance: { hints: false }, // the size of a file is no fault of it
  },
  (error, stats) => {
    if (error) throw error;
    const { errors, warnings } = stats.toJson({ errors: true, warnings: true });
    for (const { message, moduleName } of [...errors, ...warnings]) console.error(`${moduleName}: ${message}`);
    if (errors.length + warnings.length === 0) console.log("built");
  },
);
