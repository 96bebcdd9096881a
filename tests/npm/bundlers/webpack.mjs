/**
 * Builds main.js by webpack into dist/, as its own command does without a configuration. With `server` it builds server.js into server/,
 * as Next does for the part of a page that runs on the server.
 */

import { cpSync } from "node:fs";
import webpack from "webpack";

const isServer = process.argv[2] === "server";
const pageSettings = { mode: "production", entry: "./main.js", output: { filename: "main.js", clean: true } };
const serverSettings = {
  mode: "production", target: "node", entry: "./server.js", output: { filename: "main.cjs", path: `${process.cwd()}/server`, clean: true },
};
const stats = await new Promise((resolve, reject) => {
  webpack(isServer ? serverSettings : pageSettings, (error, done) => (error ? reject(error) : resolve(done)));
});
console.log(stats.toString({ preset: "errors-warnings" }));
if (stats.hasErrors()) process.exit(1);
if (!isServer) cpSync("index.html", "dist/index.html");
