// Behind these words "always" and "never" tell of something; else a verb follows, and they ask for it.
const TELLING =
  'mind|again|ever|been|had|have|has|was|were|is|am|a|an|the|my|in|on|at|so|too|really|quite|said|heard|saw|seen|met|' +
  'thought|wanted|liked|loved|knew|felt|got|went|did|happy|glad|good|nice|fun|up|down|there|here';
const SENTENCE = /(?<=[.!?…])\s+|\n+/u;
const STANDING = [
  new RegExp(`^(?:please |and |but |also,? )*(?:always|never) (?!(?:${TELLING})\\b)\\p{L}+`, 'u'),
  new RegExp(
    '^(?:please |and |but |also,? )*(?:from now on|going forward|in (?:the )?future|every time|whenever),? ' +
      '(?:please|always|never|you|answer|reply|respond|use|keep|call|write|speak|give|include|show|add|tell|do|' +
      "don't|make)\\b",
    'u',
  ),
  new RegExp(
    "^(?:please )?(?!(?:i|i'm|i'll|we|he|she|they|it|so|how|what|why|do|does|did|can|could|will|would|is|are)\\b)" +
      '\\p{L}+ .*\\b(?:when|whenever|every time|each time|if) i ask\\b',
    'u',
  ),
];
// A longer text says more than how to answer.
const MOST_CHARACTERS = 400;

/**
 * Whether a text tells the assistant how to answer from now on: "Always give metric units", "Keep it short when I ask
 * about code". A small rule for English that knows the usual forms.
 */
export function isStandingInstruction(text: string): boolean {
  if (text.length > MOST_CHARACTERS) return false;
  const plain = text.toLowerCase().replaceAll(/[’ʼ]/gu, "'").trim();
  return plain.split(SENTENCE).some((sentence) => STANDING.some((form) => form.test(sentence)));
}
