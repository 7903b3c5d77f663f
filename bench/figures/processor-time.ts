import { readFileSync } from 'node:fs';

// Linux counts in these for programs, whatever its own clock.
const TICKS_PER_SECOND = 100;
// Of the fields after the name in parentheses, which may hold anything.
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;

/** Seconds of processor time that a process has taken so far; in steps of 10 ms. */
export function processorSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS])) / TICKS_PER_SECOND;
}
