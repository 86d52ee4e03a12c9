import { takePicture } from "../app/intake.ts";
import { fail, picture } from "../app/state.ts";
import { camera } from "./camera.ts";

/** Copied from photos/ by the build; their credits are in photos/README.md. */
const samples = [
  { file: "chelsea.png", name: "Chelsea", words: "a cat" },
  { file: "rocket.jpg", name: "Falcon 9", words: "a rocket" },
  { file: "coffee.png", name: "Coffee", words: "a cup of coffee" },
] as const;

const urlOf = (file: string): string => `./photos/${file}`;

async function takeSample(file: string): Promise<void> {
  try {
    takePicture(await fetchSample(file), file);
  } catch (error) {
    fail(error);
  }
}

/** The page opens on a photo, so that it shows at once what it does. */
export async function openOnSample(): Promise<void> {
  const [{ file }] = samples;
  try {
    const blob = await fetchSample(file);
    if (!picture.value && !camera.value) takePicture(blob, file); // nothing else was given meanwhile
  } catch {
    // the page opens empty
  }
}

async function fetchSample(file: string): Promise<Blob> {
  const response = await fetch(urlOf(file));
  if (response.ok) return response.blob();
  throw new Error(`the sample ${file} could not be fetched (${response.status}); choose a picture of your own`);
}

export function Samples({ current }: { readonly current: string | undefined }) {
  return (
    <ul class="samples" aria-label="Sample photos">
      {samples.map(({ file, name, words }) => (
        <li key={file}>
          <button type="button" aria-pressed={file === current} onClick={() => void takeSample(file)}>
            <img src={urlOf(file)} alt={words} width="96" height="64" loading="lazy" decoding="async" />
            <span>{name}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
