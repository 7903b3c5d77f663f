import type { Turn } from './session-store.port.js';

export interface ContextBounds {
  /** `off`: answers are no part of it. */
  readonly captureAssistant: 'off' | 'context' | 'all';
  readonly contextMaxTurns: number;
  readonly contextMaxCharacters: number;
}

const SPEAKERS = { user: 'User', assistant: 'Assistant' } as const;
const SPEAKER = new RegExp(`^(?:${Object.values(SPEAKERS).join('|')}): `, 'mu');

/**
 * The turns before a message as the text it is scored after: `User: …` and `Assistant: …` a line, up to where the
 * message begins. The newest turns, cut at their start to the bounds; the empty string where there are none. It is
 * captured with the message, so private turns are no part of it.
 */
export function contextOf(turns: readonly Turn[], role: Turn['role'], bounds: ContextBounds): string {
  const open = turns.filter(
    ({ isPrivate, role: speaker }) => !isPrivate && (bounds.captureAssistant !== 'off' || speaker === 'user'),
  );
  const recent = bounds.contextMaxTurns === 0 ? [] : open.slice(-bounds.contextMaxTurns);
  if (recent.length === 0) return '';
  const lines = recent.map((turn) => `${SPEAKERS[turn.role]}: ${turn.text}\n`).join('');
  const opening = `${SPEAKERS[role]}: `;
  const room = bounds.contextMaxCharacters - opening.length;
  // Cutting between the halves of a surrogate pair would leave one that has no UTF-8 form.
  return room <= 0 ? '' : `${lines.slice(-room).toWellFormed()}${opening}`;
}

/**
 * What was said in a context, oldest first, without the names of the speakers. A turn that holds a line like that of a
 * speaker counts as two; the first may be the end of one that was cut.
 */
export function turnsIn(context: string): string[] {
  return context
    .split(SPEAKER)
    .map((turn) => turn.trim())
    .filter((turn) => turn !== '');
}
