import { serve } from "../engine/rpc.ts";
import { reference } from "./answers.ts";
import { bench } from "./bench.ts";

const methods = { ...reference, ...bench };
export type CompareMethods = typeof methods;

serve(methods, self);
