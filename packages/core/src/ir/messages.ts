/** Texts of messages, kept short: names and shapes may come from a file that somebody made to do harm. */

const TEXT = 200;
const ITEMS = 10;

/** A text as a message shows it: what lies beyond `most` characters is only counted. */
export function shortText(text: string, most = TEXT): string {
  if (text.length <= most) return text;
  const start = text.slice(0, most).toWellFormed(); // the cut may fall inside a pair of surrogates
  return `${start}… (${(text.length - most).toLocaleString("en-US")} more characters)`;
}

/** A list as a message shows it: the first ten items, each as `shortText` has it, and how many more there are. */
export function shortList(items: readonly unknown[], separator = ", "): string {
  const shown = items.slice(0, ITEMS).map((item) => shortText(String(item)));
  const more = items.length - shown.length;
  return [...shown, ...(more > 0 ? [`… and ${more.toLocaleString("en-US")} more`] : [])].join(separator);
}
