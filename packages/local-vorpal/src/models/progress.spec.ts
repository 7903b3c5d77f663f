import { jest } from '@jest/globals';
import type { LoggerService } from '@nestjs/common';
import { PassThrough } from 'node:stream';
import { ActivityTracker, LogProgress, progressReporterFor, TerminalProgress } from './progress.js';

function recordingLogger() {
  const lines: string[] = [];
  const logger: LoggerService = { log: (line: string) => lines.push(line), warn: jest.fn(), error: jest.fn() };
  return { logger, lines };
}

describe(LogProgress.name, () => {
  it('writes a line at every ten percent', () => {
    const { logger, lines } = recordingLogger();
    const task = new LogProgress(logger, () => 0).begin('model.gguf');
    for (let bytes = 0; bytes <= 50e6; bytes += 1e6) task.update(bytes, 100e6);
    expect(lines).toEqual([
      'Fetching model.gguf: 10 % (10.0 of 100.0 MB)',
      'Fetching model.gguf: 20 % (20.0 of 100.0 MB)',
      'Fetching model.gguf: 30 % (30.0 of 100.0 MB)',
      'Fetching model.gguf: 40 % (40.0 of 100.0 MB)',
      'Fetching model.gguf: 50 % (50.0 of 100.0 MB)',
    ]);
  });

  it('writes a line every five seconds on a slow line', () => {
    let now = 0;
    const { logger, lines } = recordingLogger();
    const task = new LogProgress(logger, () => now).begin('model.gguf');
    for (; now <= 10_000; now += 1_000) task.update(1e6, 100e6);
    expect(lines).toHaveLength(2);
  });
});

describe(TerminalProgress.name, () => {
  function terminal() {
    const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80, cursorTo: jest.fn() });
    let text = '';
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    return { stream: stream as unknown as NodeJS.WriteStream, text: () => text };
  }

  it('draws name, megabytes, speed and time left, within 80 columns', () => {
    const { stream, text } = terminal();
    let now = 0;
    const task = new TerminalProgress(stream, () => now).begin('SmolLM2-135M-Instruct.Q4_1.gguf', 98_362_432);
    task.update(0, 98_362_432);
    now = 4_000;
    task.update(49_181_216, 98_362_432);
    task.end();
    const lines = text().split(/\r|\n|\u001B\[[\d;?]*[A-Za-z]/);
    const last = lines.findLast((line) => line.includes('%')) ?? '';
    expect(last).toBe('SmolLM2-135M-Instruct.Q4_1.gguf [####----] 50% 49.2/98.4 MB 12.3 MB/s ETA 0:04');
  });

  it('is chosen for a terminal only', () => {
    const { logger } = recordingLogger();
    expect(progressReporterFor(logger, terminal().stream)).toBeInstanceOf(TerminalProgress);
    const pipe = new PassThrough() as unknown as NodeJS.WriteStream;
    expect(progressReporterFor(logger, pipe)).toBeInstanceOf(LogProgress);
  });
});

describe(ActivityTracker.name, () => {
  it('says what is under way, and nothing when nothing is', () => {
    const sut = new ActivityTracker(new LogProgress(recordingLogger().logger));
    expect(sut.current()).toBeUndefined();
    const task = sut.begin('model.gguf', 100);
    expect(sut.current()).toBe('fetching model.gguf');
    task.update(41, 100);
    expect(sut.current()).toBe('fetching model.gguf, 41 %');
    task.end();
    expect(sut.current()).toBeUndefined();
  });
});
