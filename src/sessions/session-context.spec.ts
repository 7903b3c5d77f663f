import { type ContextBounds, contextOf, turnsIn } from './session-context.js';
import type { Turn } from './session-store.port.js';

const turn = (role: Turn['role'], text: string): Turn => ({
  role,
  text,
  atMs: 0,
  isPrivate: false,
});
const BOUNDS: ContextBounds = { captureAssistant: 'context', contextMaxTurns: 4, contextMaxCharacters: 1_000 };
const TURNS = [turn('user', 'Hello'), turn('assistant', 'Hi!'), turn('user', 'How are you?')];

describe(contextOf.name, () => {
  it('writes the turns as lines, up to where the message begins', () => {
    expect(contextOf(TURNS, 'user', BOUNDS)).toBe('User: Hello\nAssistant: Hi!\nUser: How are you?\nUser: ');
  });

  it('is empty at the start of a session, and where none is wanted', () => {
    expect(contextOf([], 'user', BOUNDS)).toBe('');
    expect(contextOf(TURNS, 'user', { ...BOUNDS, contextMaxTurns: 0 })).toBe('');
    expect(contextOf(TURNS, 'user', { ...BOUNDS, contextMaxCharacters: 3 })).toBe('');
  });

  it('keeps the newest turns and characters', () => {
    expect(contextOf(TURNS, 'user', { ...BOUNDS, contextMaxTurns: 1 })).toBe('User: How are you?\nUser: ');
    expect(contextOf(TURNS, 'user', { ...BOUNDS, contextMaxCharacters: 16 })).toBe(' are you?\nUser: ');
  });

  it('leaves out what was said without memory', () => {
    const turns = [turn('user', 'Hello'), { ...turn('user', 'A secret'), isPrivate: true }];
    expect(contextOf(turns, 'user', BOUNDS)).toBe('User: Hello\nUser: ');
    expect(contextOf(turns.slice(1), 'user', BOUNDS)).toBe('');
  });

  it('leaves answers out where they are no part of it', () => {
    const bounds: ContextBounds = { ...BOUNDS, captureAssistant: 'off', contextMaxTurns: 2 };
    expect(contextOf(TURNS, 'user', bounds)).toBe('User: Hello\nUser: How are you?\nUser: ');
    expect(contextOf([turn('assistant', 'Hi!')], 'user', bounds)).toBe('');
  });

  it('does not cut a character in half', () => {
    const context = contextOf([turn('user', 'a😀😀')], 'user', { ...BOUNDS, contextMaxCharacters: 10 });
    expect(context.isWellFormed()).toBe(true);
  });
});

describe(turnsIn.name, () => {
  it('gives the turns of a context without who said them, the one that was cut included', () => {
    expect(turnsIn(contextOf(TURNS, 'user', BOUNDS))).toEqual(['Hello', 'Hi!', 'How are you?']);
    expect(turnsIn(' are you?\nAssistant: Fine,\nthank you: User: x\nUser: ')).toEqual([
      'are you?',
      'Fine,\nthank you: User: x',
    ]);
    expect(turnsIn('')).toEqual([]);
  });

  it('takes the context of another program as it is', () => {
    expect(turnsIn('what came before')).toEqual(['what came before']);
  });
});
