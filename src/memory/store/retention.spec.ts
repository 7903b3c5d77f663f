import { retentionOf } from './retention.js';

const worth = (text: string, more: Partial<Parameters<typeof retentionOf>[0]> = {}): number =>
  retentionOf({ text, informationNats: 100, isQuestion: false, recallCount: 0, ...more });

describe(retentionOf.name, () => {
  it('is worth more the more of a text tells something', () => {
    const fact = worth('Lisbon flight TP571 leaves Gate 22.');
    const mixed = worth('Wow, that is so good! How did you do it? Lisbon flight TP571 leaves Gate 22.');
    const asked = worth('Wow, how did you do it? When are you leaving?');
    expect(fact).toBeGreaterThan(mixed);
    expect(mixed).toBeGreaterThan(asked);
  });

  it('counts a word once, however often it is said', () => {
    expect(worth('great great great great')).toBeLessThan(worth('great tall white ship'));
  });

  it('keeps an order among pure questions, and puts them behind what tells', () => {
    const question = { isQuestion: true };
    expect(worth('Where did we park the car?', question)).toBeLessThan(worth('We parked the car behind the mill.'));
    expect(worth('Where?', question)).toBeLessThan(worth('Where?', { ...question, recallCount: 3 }));
    expect(worth('Where?', question)).toBeLessThan(worth('Where?', { ...question, informationNats: 200 }));
  });

  it('goes by the length of what nobody scored, and by the words of any script', () => {
    const unscored = { informationNats: null };
    expect(worth('Pears', unscored)).toBeLessThan(worth('Pears and cherries from the garden', unscored));
    expect(worth('リスボンへの便は十時に出発します。')).toBeGreaterThan(worth('え、そうなの？'));
  });
});
