import type { LoggerService } from '@nestjs/common';
import { MultiBar, type SingleBar } from 'cli-progress';

/** Shows a person how far a download is. */
export interface ProgressReporter {
  begin(name: string, totalBytes: number): ProgressTask;
}

export interface ProgressTask {
  /** The first call says where this run begins, which is not 0 when a transfer goes on. */
  update(receivedBytes: number, totalBytes: number): void;
  /** Called once, however the download ended. */
  end(): void;
}

/** A bar where somebody watches (`stream` is a terminal), log lines elsewhere. */
export function progressReporterFor(logger: LoggerService, stream: NodeJS.WriteStream = process.stderr) {
  return stream.isTTY ? new TerminalProgress(stream) : new LogProgress(logger);
}

export const inMegabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

function inMinutes(seconds: number): string {
  const whole = Math.ceil(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

const percentOf = (part: number, whole: number): number => (whole === 0 ? 0 : Math.floor((100 * part) / whole));

const MAX_BAR_CHARACTERS = 32;
// What the texts around the bar take; without it the numbers fall off the edge of an 80-column terminal.
const TEXT_CHARACTERS = 72;

/** One bar for each file under way: name, megabytes, speed, time left. */
export class TerminalProgress implements ProgressReporter {
  private bars: MultiBar | undefined;
  private active = 0;

  constructor(
    private readonly stream: NodeJS.WriteStream,
    private readonly now: () => number = () => performance.now(),
  ) {}

  begin(name: string, totalBytes: number): ProgressTask {
    this.bars ??= this.newBars();
    this.active++;
    return new BarTask(name, totalBytes, this.bars, this.now, () => {
      this.release();
    });
  }

  private release(): void {
    if (--this.active > 0) return;
    this.bars?.stop();
    this.bars = undefined;
  }

  private newBars(): MultiBar {
    return new MultiBar({
      stream: this.stream,
      format: '{name} [{bar}] {percentage}% {received}/{size} MB {speed} MB/s ETA {left}',
      barCompleteChar: '#',
      barIncompleteChar: '-',
      barsize: Math.min(MAX_BAR_CHARACTERS, Math.max(0, this.stream.columns - TEXT_CHARACTERS)),
      hideCursor: true,
      // The program that downloads decides what a signal means.
      gracefulExit: false,
    });
  }
}

class BarTask implements ProgressTask {
  private readonly bar: SingleBar;
  private first: { readonly atMs: number; readonly bytes: number } | undefined;

  constructor(
    private readonly name: string,
    totalBytes: number,
    bars: MultiBar,
    private readonly now: () => number,
    private readonly onEnd: () => void,
  ) {
    this.bar = bars.create(totalBytes, 0, this.payload(0, totalBytes));
  }

  update(receivedBytes: number, totalBytes: number): void {
    this.first ??= { atMs: this.now(), bytes: receivedBytes };
    this.bar.setTotal(totalBytes);
    this.bar.update(receivedBytes, this.payload(receivedBytes, totalBytes));
  }

  end(): void {
    this.bar.stop();
    this.onEnd();
  }

  private payload(receivedBytes: number, totalBytes: number) {
    const bytesPerSecond = this.bytesPerSecond(receivedBytes);
    const left = bytesPerSecond > 0 ? inMinutes((totalBytes - receivedBytes) / bytesPerSecond) : '--:--';
    return {
      name: this.name,
      received: inMegabytes(receivedBytes),
      size: inMegabytes(totalBytes),
      speed: inMegabytes(bytesPerSecond),
      left,
    };
  }

  /** Averaged over this run: what an earlier one had fetched is not speed. */
  private bytesPerSecond(receivedBytes: number): number {
    if (this.first === undefined) return 0;
    const seconds = (this.now() - this.first.atMs) / 1_000;
    return seconds > 0 ? (receivedBytes - this.first.bytes) / seconds : 0;
  }
}

// A log needs a sign of life and not a line for each chunk.
const LOG_STEP_PERCENT = 10;
const LOG_INTERVAL_MS = 5_000;

/** A log line at every 10 %, and every 5 s on a slow line. */
export class LogProgress implements ProgressReporter {
  constructor(
    private readonly logger: LoggerService,
    private readonly now: () => number = () => performance.now(),
  ) {}

  begin(name: string): ProgressTask {
    let loggedPercent = 0;
    let loggedAt = this.now();
    return {
      update: (receivedBytes, totalBytes) => {
        const percent = percentOf(receivedBytes, totalBytes);
        const reachedStep = Math.floor(percent / LOG_STEP_PERCENT) > Math.floor(loggedPercent / LOG_STEP_PERCENT);
        if (!reachedStep && this.now() - loggedAt < LOG_INTERVAL_MS) return;
        loggedPercent = percent;
        loggedAt = this.now();
        this.logger.log(
          `Fetching ${name}: ${percent} % (${inMegabytes(receivedBytes)} of ${inMegabytes(totalBytes)} MB)`,
        );
      },
      end: () => undefined,
    };
  }
}

/** Passes progress on, and can tell in a sentence what is under way. */
export class ActivityTracker implements ProgressReporter {
  private readonly under = new Map<symbol, string>();

  constructor(private readonly next: ProgressReporter) {}

  /** For example `fetching model.gguf, 41 %`. */
  current(): string | undefined {
    return this.under.size === 0 ? undefined : [...this.under.values()].join('; ');
  }

  begin(name: string, totalBytes: number): ProgressTask {
    const task = this.next.begin(name, totalBytes);
    const activity = this.start(`fetching ${name}`);
    return {
      update: (receivedBytes, totalBytes) => {
        activity.change(`fetching ${name}, ${percentOf(receivedBytes, totalBytes)} %`);
        task.update(receivedBytes, totalBytes);
      },
      end: () => {
        activity.end();
        task.end();
      },
    };
  }

  start(text: string): { change(text: string): void; end(): void } {
    const key = Symbol(text);
    this.under.set(key, text);
    return {
      change: (changed) => this.under.set(key, changed),
      end: () => {
        this.under.delete(key);
      },
    };
  }
}
