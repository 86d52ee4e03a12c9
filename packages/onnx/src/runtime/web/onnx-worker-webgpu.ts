import * as runtime from "onnxruntime-web/webgpu";
import { serve } from "./serve.ts";

serve(runtime);
