import * as runtime from "onnxruntime-web/wasm";
import { serve } from "./serve.ts";

serve(runtime);
