import type { FoundMemory } from '../memory/index.js';

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
 * A memory as a JSON string in which no text can end the quote, its line or the block around it, nor form a control marker
 * of a chat template: the characters that would are written as `\uXXXX`. The words stay as they were said.
 */
export function quote({ memory }: FoundMemory): string {
  const date = new Date(memory.createdAtMs).toISOString().slice(0, 10);
  return `{"date":"${date}","said_by":"${memory.role}","text":"${escape(memory.text)}"}`;
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
