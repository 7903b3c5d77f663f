import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { OutageProxy } from './outage-proxy.js';
import { until } from './until.js';

// What has not come by then does not come: a working proxy takes less than a millisecond.
const SILENCE_MS = 200;

describe(OutageProxy.name, () => {
  let target: Server;
  let received: string;
  let proxy: OutageProxy;
  let clients: Socket[];

  beforeEach(async () => {
    received = '';
    clients = [];
    // Answers each thing it hears with the same.
    target = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.setEncoding('utf8').on('data', (text: string) => {
        received += text;
        socket.write(text);
      });
    }).listen(0, '127.0.0.1');
    await once(target, 'listening');
    proxy = await OutageProxy.to('127.0.0.1', (target.address() as AddressInfo).port);
  });

  afterEach(async () => {
    for (const client of clients) client.destroy();
    await proxy.close();
    target.close();
  });

  async function connectClient() {
    const socket = connect(Number(proxy.address.split(':')[1]), '127.0.0.1');
    clients.push(socket);
    const client = { socket, heard: '', isClosed: false };
    socket.setEncoding('utf8').on('data', (text: string) => (client.heard += text));
    socket.on('error', () => undefined);
    socket.on('close', () => (client.isClosed = true));
    await once(socket, 'connect');
    return client;
  }

  it('passes on what is sent, both ways', async () => {
    const client = await connectClient();
    client.socket.write('hello');
    await until(() => client.heard === 'hello', 'the answer');
  });

  it('cuts its connections and refuses others while it is closed, and comes back on the same port', async () => {
    const client = await connectClient();
    const { address } = proxy;
    await proxy.close();
    await until(() => client.isClosed, 'the cut');
    await expect(connectClient()).rejects.toThrow('ECONNREFUSED');

    await proxy.open();
    expect(proxy.address).toBe(address);
    const again = await connectClient();
    again.socket.write('back');
    await until(() => again.heard === 'back', 'the answer');
  });

  it('passes nothing on while it is silent, accepts connections, and lets all of it arrive afterwards, in order', async () => {
    const before = await connectClient();
    before.socket.write('one ');
    await until(() => before.heard === 'one ', 'the answer');

    proxy.fallSilent();
    before.socket.write('two ');
    const during = await connectClient();
    during.socket.write('three ');
    await delay(SILENCE_MS);
    expect(received).toBe('one ');
    expect([before.heard, before.isClosed, during.heard, during.isClosed]).toEqual(['one ', false, '', false]);

    proxy.speak();
    before.socket.write('four');
    await until(() => before.heard === 'one two four' && during.heard === 'three ', 'the answers');
  });

  it('lets arrive what a client sent that has given up during the silence', async () => {
    const client = await connectClient();
    client.socket.write('one ');
    await until(() => client.heard === 'one ', 'the answer');
    proxy.fallSilent();
    client.socket.end('late');
    await delay(SILENCE_MS);
    expect(received).toBe('one ');

    proxy.speak();
    await until(() => received === 'one late', 'what was sent late');
    await until(() => client.isClosed, 'the end of the connection');
  });

  it('lets arrive what a client sent that came and went during the silence', async () => {
    proxy.fallSilent();
    const client = await connectClient();
    client.socket.end('short');
    await delay(SILENCE_MS);
    proxy.speak();
    await until(() => received === 'short', 'what was sent');
  });
});
