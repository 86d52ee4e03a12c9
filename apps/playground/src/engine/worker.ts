import { serve } from "./rpc.ts";
import { session } from "./session.ts";

/** All that computes runs here, so that the page's thread only draws. */
const methods = { ...session };
export type EngineMethods = typeof methods;

serve(methods, self);
