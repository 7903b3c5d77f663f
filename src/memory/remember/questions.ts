import { ENGLISH_STOP_WORDS } from '../search/english-stop-words.js';

// Those of all scripts. The Armenian one stands inside the word that is asked about, and Greek writes a semicolon.
const ASKS = /(?:[?？؟፧⁇⁈⁉⸮‽﹖︖꘏⳺⳻꛷𑅃𞥟\u037e]["'”’»)\]]*|՞[^։.]*[։.]?|(?<=\p{Script=Greek}.*);)$/u;
const ABBREVIATION = /(?:^|[\s("])(?:mr|mrs|ms|dr|prof|st|vs|etc|\p{L})\.$/iu;
const SENTENCE_END = /(?<=[.!?…؟።፧։။]["'”’»)\]]*)\s+|(?<=[。！？])/u;
const COMMA = /[,，、،፣՝；]/u;

const WH = 'what|when|where|who|whom|whose|which|why|how';
const AUXILIARY = 'is|are|am|was|were|do|does|did|can|could|will|would|shall|should|may|might|must|have|has|had';
const NEGATED = "(?:is|are|was|were|do|does|did|could|would|should|must|have|has|had|ca|wo|ai)n't";
const SUBJECT = 'i|you|he|she|it|we|they|my|your|his|her|our|their|the|this|that|these|those|there|any|anyone|someone';
const PREPOSITION = 'with|to|for|from|at|in|on|of|by|about|under|near|until|since';
const ASKING = `${WH}|if|whether|how|about`;

const begins = (...patterns: readonly string[]): RegExp =>
  new RegExp(`^(?:${patterns.join('|')})(?![\\p{L}\\p{N}])`, 'u');

const GREETING = begins(
  '(?:hi|hello|hey|thanks|thank you|ok|okay|sorry|please|good (?:morning|afternoon|evening))(?: there| again)?[.!]*$',
);
const FILLER = /^(?:(?:and|but|so|or|ok|okay|well|hey|hi|hello|please|sorry|um+|hm+|oh|also|then|by the way)[,:]? +)+/u;

// A question mark makes each of these a question …
const BEGINS_LIKE_ONE = begins(
  `(?:${WH})(?:'(?:s|re|d|ll|ve))?`,
  `(?:${PREPOSITION}) (?:${WH})`,
  AUXILIARY,
  NEGATED,
  'any|anyone|anybody|anything',
  `(?:you )?(?:know|remember|recall) (?:${ASKING})`,
);
// … and these are questions without one.
const IS_ONE_ANYWAY = begins(
  `(?:${WH}) (?:${AUXILIARY}|${NEGATED})`,
  "(?:what|where|who|when|how|why)'?s",
  `(?:${PREPOSITION}) (?:whom|what|which|whose)`,
  `(?:${AUXILIARY}|${NEGATED}) (?:${SUBJECT})`,
);
const REQUEST = begins(
  '(?:(?:can|could|would|will) you |i (?:need|want) you to )?(?:please )?' +
    `(?:tell|remind) me (?:again )?(?:please )?(?:${ASKING})`,
  `(?:(?:can|could|would|will) you )?(?:please )?let me know (?:${ASKING})`,
  `i (?:wonder|forgot|forget|(?:do not|don't|can't|cannot) (?:know|remember|recall)) (?:${WH}|if|whether)`,
  `(?:i'd|i would) (?:like|love) to know (?:${ASKING})`,
);

/** Statements in the form of a question. */
const TELLS = new RegExp(
  [
    '^(?:did|do|does|would|can|could) you (?:know|hear|believe|see|remember|imagine),? ' +
      "(?:that|i|i'm|my|we|our|he|she|they)\\b",
    '^guess ',
    // A clause of its own behind a comma or a dash, or one that says why.
    '(?:,|;|:| [-–—]+) ?(?:but |and |because |since |so |as |now that )?' +
      "(?:i|i'm|i've|my|we|we're|our|he|she|they|it|it's|there)\\b",
    '\\b(?:because|given that|now that|considering)\\b',
    '\\b(?:my|our) [\\p{L} ]{1,30} (?:who|which|that) (?:is|are|was|has|had|lives|works|loves|hates|likes)\\b',
    // A request for a reminder, not for an answer.
    '^(?:please )?remind me (?:when|if|about) (?:i|we|it|he|she|they)' +
      "(?:'m| am| get| arrive| leave| go| come| see| is)\\b",
  ].join('|'),
  'u',
);

// A longer one says more than it asks.
const MOST_WORDS = 40;
// Of a language of which no more is known than its mark, in UTF-8: 40 Chinese characters, 60 Cyrillic ones.
const MOST_FOREIGN_BYTES = 120;
// At least this share of the words of an English question are stop words; few words of other languages look like these.
const ENGLISH_SHARE = 0.25;

const ASKS_FOR_QUESTIONS = new RegExp(
  [
    '\\b(?:did|have|had|was|were) (?:i|we) (?:ever |just |already |previously |last )*' +
      '(?:ask|asked|asking|wonder|wondered|wondering|want to know)\\b',
    "\\b(?:i|i've|i'd|we|we've) (?:have |had |ever |just |already |last )*asked\\b",
    '\\b(?:my|our) (?:[a-z]+ )?(?:questions?|queries)\\b',
    '\\bquestions? (?:that |which )?(?:i|we|did i|did we|have i|have we)\\b',
  ].join('|'),
  'u',
);

/**
 * Whether a text asks and tells nothing: every sentence is a question, and in English begins like one. It is a small
 * rule that would rather take a question for a statement than leave out what somebody told.
 */
export function isPureQuestion(text: string): boolean {
  const sentences = sentencesOf(text.trim());
  if (!isEnglish(text)) return sentences.length === 1 && isForeignQuestion(text.trim());
  const said = sentences.map(plain).filter((sentence) => !GREETING.test(sentence));
  return said.length > 0 && said.every(isEnglishQuestion);
}

/** The sentences of a text that do not end as a question does. */
export function toldIn(text: string): string[] {
  return sentencesOf(text.trim()).filter((sentence) => !ASKS.test(sentence));
}

/** Whether a text asks for earlier questions. */
export function asksForQuestions(query: string): boolean {
  return ASKS_FOR_QUESTIONS.test(plain(query));
}

function isEnglishQuestion(sentence: string): boolean {
  const question = sentence.replace(FILLER, '');
  if (TELLS.test(question) || question.split(' ').length > MOST_WORDS) return false;
  if (REQUEST.test(question)) return true;
  if (ASKS.test(question)) return BEGINS_LIKE_ONE.test(question);
  return !/[.!]$/.test(question) && IS_ONE_ANYWAY.test(question);
}

const isForeignQuestion = (sentence: string): boolean =>
  ASKS.test(sentence) && !COMMA.test(sentence) && Buffer.byteLength(sentence) <= MOST_FOREIGN_BYTES;

function isEnglish(text: string): boolean {
  const words = plain(text).match(/\p{L}[\p{L}\p{M}']*/gu) ?? [];
  const ofEnglish = words.filter((word) => ENGLISH_STOP_WORDS.has(word.replace(/n?'.*$/, '')));
  return words.length > 0 && ofEnglish.length / words.length >= ENGLISH_SHARE;
}

function sentencesOf(text: string): string[] {
  const sentences: string[] = [];
  for (const part of text.split(SENTENCE_END).filter((one) => one !== '')) {
    const before = sentences.at(-1);
    if (before !== undefined && ABBREVIATION.test(before)) sentences[sentences.length - 1] = `${before} ${part}`;
    else sentences.push(part);
  }
  return sentences;
}

/** In lower case, with one kind of apostrophe and single spaces, without what may stand before the first word. */
const plain = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[’ʼ]/gu, "'")
    .replaceAll(/\s+/gu, ' ')
    .replace(/^[^\p{L}\p{N}]+/u, '')
    .trim();
