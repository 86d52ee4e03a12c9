import { it } from "vitest";
import { lavapipe } from "./testing/lavapipe.ts";
import { pictures } from "./testing/pictures.ts";
import { carriesSpecialValues } from "./testing/special-layers.ts";
import { conforms } from "./vitest.ts";

const backend = await lavapipe("the quick level of webgpu");
if (backend) {
  await conforms(backend, { images: await pictures(100) });
  carriesSpecialValues("lavapipe", backend, [/winograd/, /lanes/, /strip/]);
} else it.skip("conforms on lavapipe", () => {});
