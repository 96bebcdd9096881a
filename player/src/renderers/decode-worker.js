/** decode.js in a worker: orders come and answers go as messages. */

import { Decoder } from "./video-decoder.js";

const decoder = new Decoder((response) => postMessage(response));
addEventListener("message", ({ data }) => decoder.handle(data));
postMessage({ type: "ready" });
