/** Compresses the files of dist/, and reads them again. */

import { readFileSync } from "node:fs";
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync, gzipSync } from "node:zlib";

/** Suffix of a file name -> how its content is made. @type {Record<string, (content: Buffer) => Buffer>} */
export const compressed = {
  ".br": (content) => brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }),
  ".gz": (content) => gzipSync(content, { level: 9 }),
};

/** The content of a file, whatever its suffix says. @param {string} path */
export function uncompressed(path) {
  const content = readFileSync(path);
  if (path.endsWith(".br")) return brotliDecompressSync(content);
  return path.endsWith(".gz") ? gunzipSync(content) : content;
}
