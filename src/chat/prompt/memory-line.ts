import { quotedText, type RecalledMemory } from '../../memory/index.js';
import type { LocalTime } from './local-time.js';

/**
 * A memory as one line: its date, and its words between quotes that no text can end ({@link quotedText}). Recall counts
 * what a line takes (`frameTokens`). Without a note, the speaker is the user.
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
  return `- ${time.at(lastSeenAtMs)} (${notes.join(', ')}): "${quotedText(quotation)}"`;
}
