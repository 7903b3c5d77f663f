import type { RecalledMemory } from '../memory/index.js';
import type { LocalTime } from './local-time.js';

// What chat templates tell the model's turns apart with. Their tokens all begin with one of these characters (`<|im_start|>`,
// `<s>`, `[INST]`, `]~b]`); the wide forms are here because some tokenizers normalise them to the narrow ones. Each costs about
// five tokens, so that a bracket which only ends something is left alone.
const BRACKETS = '[<\\[＜［]|[\\]］](?=~)';
// Templates without tokens of their own use headings (`### Instruction:`) and names (`USER:`, `Human:`).
const HEADING = '#{2,}';
const SPEAKER_COLON = '[:：](?<=\\b(?:user|human|assistant|system|instruction|response|bot|ai|gpt)[ \\t*_]{0,3}[:：])';
// Where a reader that is not JSON's may see the end of a line.
const LINE_ENDS = '[\\u0085\\u2028\\u2029]';
const CONTROLS = new RegExp(`(?:${BRACKETS}|${HEADING}|${SPEAKER_COLON}|${LINE_ENDS})+`, 'giu');

/**
 * A memory as one line with its date, and its words as a JSON string in which no text can end the quote, its line or the
 * block around it, nor form a control marker of a chat template: the characters that would are written as `\uXXXX`. The
 * words stay as they were said. That the user said it goes without saying.
 * @param isCurrent whether it is to be told apart from others that it supersedes
 */
export function quote({ memory, quotation }: RecalledMemory, isCurrent: boolean, time: LocalTime): string {
  const { role, lastSeenAtMs, supersededBy } = memory;
  // In parentheses: a speaker's name right before a colon would be such a marker itself.
  const notes = [
    time.ago(lastSeenAtMs),
    ...(role === 'user' ? [] : [`said by the ${role}`]),
    ...(supersededBy ? [`outdated since ${time.at(supersededBy.atMs)}`] : []),
    ...(isCurrent ? ['holds now'] : []),
  ];
  return `- ${time.at(lastSeenAtMs)} (${notes.join(', ')}): "${escape(quotation)}"`;
}

function escape(text: string): string {
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
