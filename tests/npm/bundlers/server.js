import { BerryVideo } from "berrymse";

console.log("<berry-video>", typeof BerryVideo);
