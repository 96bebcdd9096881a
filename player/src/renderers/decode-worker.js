/** Runs video-decoder.js in a worker. Requests and responses are messages. */

import { Decoder } from "./video-decoder.js";

const decoder = new Decoder((response) => postMessage(response));
addEventListener("message", ({ data }) => decoder.handle(data));
postMessage({ type: "ready" });
