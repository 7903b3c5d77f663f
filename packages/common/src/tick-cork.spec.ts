import { Writable } from 'node:stream';
import { setImmediate as endOfTick } from 'node:timers/promises';
import { TickCork } from './tick-cork.js';

describe(TickCork.name, () => {
  const written: string[] = [];
  let stream: Writable;
  let sut: TickCork;

  beforeEach(() => {
    written.length = 0;
    stream = new Writable({
      writev(chunks, done) {
        written.push(chunks.map(({ chunk }) => String(chunk)).join('+'));
        done();
      },
    });
    sut = new TickCork(stream);
  });

  const write = (text: string): void => {
    sut.hold();
    stream.write(text);
  };

  it('writes in one piece what comes in one tick', async () => {
    write('a');
    write('b');
    expect(written).toEqual([]);
    await endOfTick();
    write('c');
    await endOfTick();

    expect(written).toEqual(['a+b', 'c']);
  });

  it('writes at once what it holds when it is released', async () => {
    write('a');
    sut.release();
    expect(written).toEqual(['a']);

    write('b');
    await endOfTick();
    expect(written).toEqual(['a', 'b']);
  });
});
