/** decode.js in a worker: orders come and answers go as messages. */

import { Decoder } from "./video-decoder.js";

const decoder = new Decoder((answer) => postMessage(answer));
addEventListener("message", ({ data }) => decoder.take(data));
postMessage({ type: "ready" });
