import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { processorSeconds } from './processor-time.js';

// The unit of /proc's times (USER_HZ); Linux shows it to programs as a hundredth of a second whatever its own clock is.
const TICK_MS = 10;

const isLinux = existsSync('/proc/stat');

/** What reads the processor time, in ms, that something has used so far; `undefined` where it cannot be told. */
export type ProcessorClock = () => Promise<number | undefined>;

export interface MachineUse {
  readonly elapsedMs: number;
  /** Share of all processors that somebody kept busy, from 0 to 1; `undefined` where the system has no /proc. */
  readonly busyShare: number | undefined;
  /** Processors that each part kept busy: 1.5 is one and a half. */
  readonly processors: Readonly<Record<string, number | undefined>>;
  /** What is left of the busy ones: other programs, and the kernel's own work. */
  readonly others: number | undefined;
}

interface Reading {
  readonly at: number;
  readonly busyMs: number | undefined;
  readonly partsMs: readonly (number | undefined)[];
}

/** How busy the machine and the parts of a measurement are between two moments. */
export class MachineMeter {
  private constructor(
    private readonly parts: Readonly<Record<string, ProcessorClock>>,
    private last: Reading,
  ) {}

  static async start(parts: Readonly<Record<string, ProcessorClock>>): Promise<MachineMeter> {
    return new MachineMeter(parts, await read(parts));
  }

  /** Since the start, or since the last call. */
  async lap(): Promise<MachineUse> {
    const before = this.last;
    const now = await read(this.parts);
    this.last = now;
    const elapsedMs = now.at - before.at;
    const names = Object.keys(this.parts);
    const use = names.map((_, index) => rate(now.partsMs[index], before.partsMs[index], elapsedMs));
    const busy = rate(now.busyMs, before.busyMs, elapsedMs);
    const known = use.reduce((sum: number, one) => sum + (one ?? 0), 0);
    return {
      elapsedMs,
      busyShare: busy === undefined ? undefined : Math.min(1, busy / availableParallelism()),
      processors: Object.fromEntries(names.map((name, index) => [name, use[index]])),
      others: busy === undefined ? undefined : Math.max(0, busy - known),
    };
  }
}

/** The processor time of processes that run on this machine, all of their threads together. */
export function clockOfProcesses(pids: readonly (number | undefined)[]): ProcessorClock {
  return async () => {
    if (!isLinux) return undefined;
    return pids.reduce((sum: number, pid) => sum + (pid === undefined ? 0 : processorSeconds(pid) * 1_000), 0);
  };
}

/** The processor time of this process. */
export const ownClock: ProcessorClock = async () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

async function read(parts: Readonly<Record<string, ProcessorClock>>): Promise<Reading> {
  const partsMs = await Promise.all(Object.values(parts).map((clock) => clock()));
  return { at: performance.now(), busyMs: machineBusyMs(), partsMs };
}

function rate(now: number | undefined, before: number | undefined, elapsedMs: number): number | undefined {
  return now === undefined || before === undefined ? undefined : (now - before) / elapsedMs;
}

/** Columns of /proc/stat: user nice system idle iowait irq softirq steal. Stolen time cannot be used. */
function machineBusyMs(): number | undefined {
  if (!isLinux) return undefined;
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1);
  const [user, nice, system, , , irq, softirq, steal] = line.trim().split(/\s+/).slice(1).map(Number);
  const busy = [user, nice, system, irq, softirq, steal];
  return busy.reduce((sum: number, ticks) => sum + (ticks ?? 0), 0) * TICK_MS;
}
