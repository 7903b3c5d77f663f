import { LocalTime } from './local-time.js';

const NOW = Date.UTC(2026, 10, 27, 15, 45);
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

describe(LocalTime.name, () => {
  it.each([
    ['UTC', 'Fri 2026-11-27 15:45 (UTC)'],
    ['Europe/Berlin', 'Fri 2026-11-27 16:45 (Europe/Berlin)'],
    ['Asia/Kolkata', 'Fri 2026-11-27 21:15 (Asia/Calcutta)'],
    ['Pacific/Kiritimati', 'Sat 2026-11-28 05:45 (Pacific/Kiritimati)'],
    ['-03:00', 'Fri 2026-11-27 12:45 (-03:00)'],
  ])('shows the clock of %s', (timeZone, shown) => {
    expect(new LocalTime(timeZone, NOW).now()).toBe(shown);
  });

  it('knows summer time, midnight and early years', () => {
    const sut = new LocalTime('Europe/Berlin', NOW);
    expect(sut.at(Date.UTC(2026, 6, 1, 8))).toBe('2026-07-01 10:00');
    expect(sut.at(Date.UTC(2026, 10, 26, 23))).toBe('2026-11-27 00:00');
    expect(new LocalTime('UTC', NOW).at(Date.parse('0033-04-03T15:00:00Z'))).toMatch(/^0033-04-0\d 15:00$/);
  });

  it.each([
    [30_000, 'just now'],
    [MINUTE, '1 minute ago'],
    [59 * MINUTE, '59 minutes ago'],
    [90 * MINUTE, '1 hour ago'],
    [1.5 * DAY, '1 day ago'],
    [13 * DAY, '13 days ago'],
    [14 * DAY, '2 weeks ago'],
    [60 * DAY, '8 weeks ago'],
    [61 * DAY, '2 months ago'],
    [700 * DAY, '22 months ago'],
    [800 * DAY, '2 years ago'],
    [-3 * DAY, 'in 3 days'],
    [-1_000, 'just now'],
  ])('says of what was %d ms ago: %s', (ageMs, said) => {
    expect(new LocalTime('UTC', NOW).ago(NOW - ageMs)).toBe(said);
  });
});
