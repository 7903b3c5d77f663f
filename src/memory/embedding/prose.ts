const FENCE = /^[ \t]*(?<marks>```|~~~)/u;
// Less than a short sentence does not say what the code is there for.
const LEAST_CHARACTERS = 32;

/**
 * The part of a text that is embedded: the text without fenced code, if the rest says enough. Sentence encoders are
 * trained on sentences, and code moves the vector of a sentence towards that of all other code. The words of the code
 * are still found by BM25.
 */
export function proseOf(text: string): string {
  if (!text.includes('```') && !text.includes('~~~')) return text;
  const kept: string[] = [];
  // A fence that is not closed goes to the end, as in CommonMark.
  let open: string | undefined;
  for (const line of text.split('\n')) {
    const marks = FENCE.exec(line)?.groups?.marks;
    if (open === undefined && marks === undefined) kept.push(line);
    if (open === undefined) open = marks;
    else if (marks === open) open = undefined;
  }
  const prose = kept.join('\n').trim();
  return prose.length < LEAST_CHARACTERS ? text : prose;
}
