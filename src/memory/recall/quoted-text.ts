// The characters with which the control tokens of chat templates begin (`<|im_start|>`, `<s>`, `[INST]`, `]~b]`), and
// their wide forms, which some tokenizers normalise to the narrow ones. An escaped character costs about five tokens,
// so closing brackets are not escaped.
const BRACKETS = '[<\\[＜［]|[\\]］](?=~)';
// Templates without tokens of their own use headings (`### Instruction:`) and names (`USER:`, `Human:`).
const HEADING = '#{2,}';
const SPEAKER_COLON = '[:：](?<=\\b(?:user|human|assistant|system|instruction|response|bot|ai|gpt)[ \\t*_]{0,3}[:：])';
// Line ends of Unicode, which JSON allows inside a string.
const LINE_ENDS = '[\\u0085\\u2028\\u2029]';
const CONTROLS = new RegExp(`(?:${BRACKETS}|${HEADING}|${SPEAKER_COLON}|${LINE_ENDS})+`, 'giu');

/**
 * A text in the form in which a prompt quotes it: the body of a JSON string. Nothing in it can end the quote, its line
 * or the block around it, or form a control marker of a chat template: such characters are written as `\uXXXX`. The
 * words stay as they were said.
 */
export function quotedText(text: string): string {
  let escaped = '';
  let start = 0;
  for (const { 0: controls, index } of text.matchAll(CONTROLS)) {
    escaped += jsonBody(text.slice(start, index)) + Array.from(controls, toEscape).join('');
    start = index + controls.length;
  }
  return escaped + jsonBody(text.slice(start));
}

const jsonBody = (text: string): string => JSON.stringify(text).slice(1, -1);
const toEscape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
