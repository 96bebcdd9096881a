/** Builds main.js by webpack into dist/, as its own command does without a configuration. */

import { cpSync } from "node:fs";
import webpack from "webpack";

const stats = await new Promise((resolve, reject) => {
  const settings = { mode: "production", entry: "./main.js", output: { filename: "main.js", clean: true } };
  webpack(settings, (error, done) => (error ? reject(error) : resolve(done)));
});
console.log(stats.toString({ preset: "errors-warnings" }));
if (stats.hasErrors()) process.exit(1);
cpSync("index.html", "dist/index.html");
