/** `import "berrymse/react"` types <berry-video> in JSX; React 19 passes attributes and properties to it. */

import type { DetailedHTMLProps, HTMLAttributes } from "react";
import type { BerryVideo } from "./index.js";

export interface BerryVideoProps extends DetailedHTMLProps<HTMLAttributes<BerryVideo>, BerryVideo> {
  src?: string;
  controls?: boolean;
  showDelay?: boolean;
  latency?: "min" | "smooth" | number;
  renderer?: "auto" | "mse" | "webcodecs";
  lookback?: number;
  restAfter?: number;
  poster?: string;
  preload?: "none";
  "rest-below"?: number;
}

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "berry-video": BerryVideoProps;
    }
  }
}
