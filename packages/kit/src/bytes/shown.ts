/** Controls, line ends and marks that turn the direction of text: none of them belongs in a line of a terminal. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/**
 * Text that a user gave, for a message: on one line, at most about `most` characters. The middle is left out, since
 * paths and addresses differ at their ends.
 */
export function shown(text: string, most = 200): string {
  const cut = text.length > most ? `${text.slice(0, most >> 1)}…${text.slice(-(most >> 1))}` : text;
  return cut.replaceAll(UNPRINTABLE, (mark) => `\\u{${mark.codePointAt(0)!.toString(16)}}`);
}
