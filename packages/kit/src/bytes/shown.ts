/** Control characters, line ends, and characters that change the direction of text: unsafe in a terminal's line. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/**
 * User-provided text for a message: on one line, about `most` characters. The middle is left out, since paths and
 * addresses differ at their ends.
 */
export function shown(text: string, most = 200): string {
  const cut = text.length > most ? `${text.slice(0, most >> 1)}…${text.slice(-(most >> 1))}` : text;
  return cut.replaceAll(UNPRINTABLE, (mark) => `\\u{${mark.codePointAt(0)!.toString(16)}}`);
}
