/**
 * Characters with which a text could change what is seen around it: controls (line breaks among them), the separators
 * of lines and paragraphs, what turns the direction of writing, what has no width, and lone surrogates.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** The text with each unsafe character as `\uXXXX`, so that it is one line and reads as it is written. */
export function escapeUnsafe(text: string): string {
  return text.replaceAll(UNSAFE, escapeOf);
}

/** The text with a blank for each unsafe character. */
export function blankUnsafe(text: string): string {
  return text.replaceAll(UNSAFE, ' ');
}

// JSON has no longer escape: what lies beyond the first 65,536 characters is two of them.
const escapeOf = (character: string): string =>
  Array.from({ length: character.length }, (_, index) => {
    const code = character.charCodeAt(index).toString(16).padStart(4, '0');
    return `\\u${code}`;
  }).join('');
