import { lazily } from "./lazily.ts";
import { serve } from "./rpc.ts";
import { session } from "./session.ts";

/** All that computes runs here, so that the page's thread only draws. */
const methods = {
  ...session,
  ...lazily(async () => (await import("../inside/methods.ts")).inside, {
    openPicture: true,
    drawNetwork: true,
    mapsOf: true,
    paintMaps: true,
    channelOf: true,
    explainNumber: true,
  }),
};
export type EngineMethods = typeof methods;

serve(methods, self);
