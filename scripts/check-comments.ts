/** Comments of at most 120 columns, as wide as the code that Biome formats; Biome leaves comments as they are. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const WIDTH = 120;

const { stdout } = spawnSync("git", ["ls-files", "*.ts", "*.js", "*.cjs", "*.mjs"], { encoding: "utf8" });
const wide = stdout
  .split("\n")
  .filter(Boolean)
  .flatMap((path) =>
    readFileSync(path, "utf8")
      .split("\n")
      .flatMap((line, i) => (Array.from(line).length > WIDTH && hasComment(line) ? [`${path}:${i + 1}`] : [])),
  );
if (wide.length > 0) {
  console.log(`comments of more than ${WIDTH} columns; wrap them:\n${wide.join("\n")}`);
  process.exitCode = 1;
}

/** Whether a line is one of a comment's, or ends in a comment. */
function hasComment(line: string): boolean {
  const code = line.replaceAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`/g, '""');
  return /^\s*(\/\*|\*)/.test(code) || /(^|\s)\/\/(\s|$)/.test(code);
}
