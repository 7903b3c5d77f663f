// English text has about four bytes a token with today's vocabularies, other scripts fewer; erring low would overflow
// the window of the model, erring high only shortens what is remembered.
const BYTES_PER_TOKEN = 3;

/**
 * About how many tokens a text takes, rather too many than too few; for budgets, where asking the tokenizer would cost
 * a round trip.
 */
export function estimateTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
}
