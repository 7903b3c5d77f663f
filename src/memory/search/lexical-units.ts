import { termsOfWord } from './word-terms.js';

/** Units that are one term although they have punctuation or spaces in them. */
export interface Unit {
  /** As written in the text. */
  readonly text: string;
  readonly start: number;
  readonly terms: readonly string[];
}

const TIME = /(?<hour>\d{1,2}):(?<minute>\d{2})(?::\d{2})?(?:\s?(?<half>[ap])\.?m\b)?/;
const HOUR = /(?<fullHour>\d{1,2})\s?(?<fullHalf>[ap])\.?m\b/;
const ISO_DATE = /(?<year>\d{4})-(?<month>\d{1,2})-(?<day>\d{1,2})/;
const DATE = /\d{1,2}[./]\d{1,2}[./](?:\d{4}|\d{2})/;
const PHONE = /(?:\+|\(\+?)?\d+(?:[ ()/-]{1,2}\d+)+/;
const CODE = /(?<letters>\p{L}{1,6})-(?<digits>\d+)/u;
const SOURCES = [ISO_DATE, DATE, TIME, HOUR, PHONE, CODE].map(({ source }) => source);
const UNIT = new RegExp(`(?<!\\p{N}[.,]|[\\p{L}\\p{N}])(?:${SOURCES.join('|')})(?!\\p{N}|[.,:]\\p{N})`, 'giu');

// Seven digits are the shortest number that one dials; E.164 has fifteen.
const LEAST_DIALLED = 7;
const MOST_DIALLED = 15;
const NOON = 12;

const MONTH = new Intl.DateTimeFormat('en-GB', { month: 'long', timeZone: 'UTC' });

/** Times, dates, telephone numbers and codes as B-12, in their order. Everything else is words. */
export function unitsOf(text: string): Unit[] {
  return [...text.matchAll(UNIT)].map((match) => ({
    text: match[0],
    start: match.index,
    terms: termsOf(match[0].toLowerCase(), match.groups ?? {}),
  }));
}

function termsOf(text: string, groups: Partial<Record<string, string>>): string[] {
  const { hour = groups.fullHour, minute = '00', half = groups.fullHalf, year, month, day, letters, digits } = groups;
  if (hour !== undefined) return [clockTime(Number(hour), minute, half?.toLowerCase())];
  if (year !== undefined) return [text, String(Number(day)), ...termsOfWord(monthName(Number(month))), year];
  if (letters !== undefined && digits !== undefined)
    return [letters.toLowerCase(), digits, `${letters}${digits}`.toLowerCase()];
  const groupsOfDigits = text.match(/\d+/g) ?? [];
  if (/[./]/.test(text) && groupsOfDigits.length === 3) return [text];
  const dialled = groupsOfDigits.join('');
  const isDialled = dialled.length >= LEAST_DIALLED && dialled.length <= MOST_DIALLED;
  return isDialled ? [...groupsOfDigits, dialled] : groupsOfDigits;
}

/** Of the day, so that what was said as 4:45 pm is found as 16:45. */
function clockTime(hour: number, minute: string, half: string | undefined): string {
  if (half === undefined || hour > NOON) return `${hour}:${minute}`;
  return `${(hour % NOON) + (half === 'p' ? NOON : 0)}:${minute}`;
}

const monthName = (month: number): string => MONTH.format(Date.UTC(2000, month - 1));
