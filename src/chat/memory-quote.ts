import type { RecalledMemory } from '../memory/index.js';
import type { LocalTime } from './local-time.js';

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
 * A memory as one line: its date, and its words as a JSON string. Characters that could end the quote, the line or the
 * block, or form a control marker of a chat template, are written as `\uXXXX`. Without a note, the speaker is the user.
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
