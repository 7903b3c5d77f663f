const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
// Each unit from so much on that rounding down to it loses little: 13 days are not a week.
const UNITS = [
  { unit: 'year', ms: 365.25 * DAY_MS, from: 2 },
  { unit: 'month', ms: 30.44 * DAY_MS, from: 2 },
  { unit: 'week', ms: 7 * DAY_MS, from: 2 },
  { unit: 'day', ms: DAY_MS, from: 1 },
  { unit: 'hour', ms: HOUR_MS, from: 1 },
  { unit: 'minute', ms: MINUTE_MS, from: 1 },
] as const;

const relative = new Intl.RelativeTimeFormat('en');

/** A moment and a place: what a clock on the wall of whoever asks shows, and how long ago something was. */
export class LocalTime {
  private readonly format: Intl.DateTimeFormat;

  /** @throws RangeError for what is no time zone; see `isTimeZone` */
  constructor(
    timeZone: string,
    private readonly nowMs: number = Date.now(),
  ) {
    this.format = new Intl.DateTimeFormat('en-GB', {
      timeZone,
      hourCycle: 'h23',
      weekday: 'short',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
    });
  }

  /** `Fri 2026-11-27 16:45 (Europe/Berlin)`. */
  now(): string {
    return `${this.parts(this.nowMs).weekday} ${this.at(this.nowMs)} (${this.format.resolvedOptions().timeZone})`;
  }

  /** `2026-11-27 16:45`. */
  at(timeMs: number): string {
    const { year = '', month, day, hour, minute } = this.parts(timeMs);
    return `${year.padStart(4, '0')}-${month}-${day} ${hour}:${minute}`;
  }

  /** `5 days ago`, rounded down; `in 5 days` for what is dated later. */
  ago(timeMs: number): string {
    const ageMs = this.nowMs - timeMs;
    const found = UNITS.find(({ ms, from }) => Math.abs(ageMs) >= from * ms);
    return found ? relative.format(-Math.trunc(ageMs / found.ms), found.unit) : 'just now';
  }

  private parts(timeMs: number): Partial<Record<Intl.DateTimeFormatPartTypes, string>> {
    return Object.fromEntries(this.format.formatToParts(timeMs).map(({ type, value }) => [type, value]));
  }
}
