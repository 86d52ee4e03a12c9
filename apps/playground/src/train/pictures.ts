/** A picture of a class. */
export interface Shot {
  readonly id: number;
  readonly name: string;
  readonly file: Blob;
  /** An object URL of a small copy. It lives as long as the page: results show it after its class is gone. */
  readonly thumbnail: string;
}

/** Files for a class, before any of them is read. */
export interface GivenFiles {
  readonly label: string;
  readonly files: readonly File[];
}

/** Files that systems put into folders by themselves. */
const isPassedOver = (name: string): boolean => name.startsWith(".") || /^(thumbs\.db|desktop\.ini)$/i.test(name);

/**
 * The files of a chosen folder by its subfolders, each of which is a class; sorted, as torchvision's ImageFolder has
 * them. `loose` are the names of files that lie in no subfolder.
 */
export function classesIn(files: Iterable<File>): {
  readonly classes: readonly GivenFiles[];
  readonly loose: readonly string[];
} {
  const classes = new Map<string, File[]>();
  const loose: string[] = [];
  for (const file of [...files].sort(byPath)) {
    if (isPassedOver(file.name)) continue;
    const [, label, ...rest] = file.webkitRelativePath.split("/");
    if (label === undefined || rest.length === 0) loose.push(file.name);
    else classes.set(label, [...(classes.get(label) ?? []), file]);
  }
  const labels = [...classes.keys()].sort();
  return { classes: labels.map((label) => ({ label, files: classes.get(label)! })), loose };
}

const byPath = ({ webkitRelativePath: a }: File, { webkitRelativePath: b }: File) => Number(a > b) - Number(a < b);

let lastId = 0;

/** A picture that the browser can read, with a small copy of it; undefined for any other file. */
export async function shotOf(file: Blob, name: string): Promise<Shot | undefined> {
  try {
    const bitmap = await createImageBitmap(file, { resizeHeight: THUMBNAIL, resizeQuality: "medium" });
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("2d")!.drawImage(bitmap, 0, 0);
    bitmap.close();
    const small = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 });
    return { id: ++lastId, name, file, thumbnail: URL.createObjectURL(small) };
  } catch {
    return undefined;
  }
}

/** Pixels of a thumbnail's height: twice what is shown, for fine screens. */
const THUMBNAIL = 112;
