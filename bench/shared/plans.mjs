/*
 * Who publishes what, and when: read by the server, which does it, and by the load generator, which works out from it
 * what every socket has to receive, in which order.
 *
 * A plan has its ticks per second and `operations(tick, visit)`, which calls `visit(kind, target, payload)` for each
 * publish call of a tick: kind `all`, `channel` (number of the channel) or `user` (number of the socket). Socket number
 * n is a member of channel n modulo `channels`, where the plan has channels.
 */
export const plans = {
  fanout: {
    ticksPerSecond: 40,
    channels: 0,
    operations: (_tick, visit) => visit('all', 0, 'text')
  },
  burst: {
    ticksPerSecond: 10,
    channels: 0,
    operations: (_tick, visit) => {
      for (let n = 0; n < 10; n++) visit('all', 0, 'text')
    }
  },
  /** As `burst` with ten times the ticks: to warm up a server that nobody listens to. */
  warmUp: {
    ticksPerSecond: 100,
    channels: 0,
    operations: (_tick, visit) => {
      for (let n = 0; n < 10; n++) visit('all', 0, 'text')
    }
  },
  /** 2000 publications a second, ten a tick, each to another channel: no socket gets two messages in a tick. */
  channels: {
    ticksPerSecond: 200,
    channels: 800,
    operations: (tick, visit) => {
      for (let n = 0; n < 10; n++) visit('channel', (tick * 10 + n) * 7 % 800, 'text')
    }
  },
  mixed: mixed(5),
  mixedSmall: mixed(100),
  compressed: {
    ticksPerSecond: 20,
    channels: 0,
    operations: (_tick, visit) => visit('all', 0, 'rows')
  },
  jitter: {
    ticksPerSecond: 10,
    channels: 0,
    operations: (_tick, visit) => visit('all', 0, 'text')
  },
  /** 5000 messages a second for one client. */
  client: {
    ticksPerSecond: 250,
    channels: 1,
    perTick: 20,
    operations: (_tick, visit) => {
      for (let n = 0; n < 20; n++) visit('channel', 0, 'text')
    }
  },
  /** 10 000 blocks a second for socket 0, and beside them what `fanout` does. */
  slow: {
    ticksPerSecond: 200,
    channels: 0,
    operations: (tick, visit) => {
      for (let n = 0; n < 50; n++) visit('user', 0, 'block')
      if (tick % 5 === 0) visit('all', 0, 'text')
    }
  }
}

/** The broadcast comes in the middle, so that what is around it must stay around it. */
function mixed (channels) {
  return {
    ticksPerSecond: 40,
    channels,
    operations: (tick, visit) => {
      for (let n = 0; n < 10; n++) visit('user', (tick * 20 + n) * 7919 % 1000, 'text')
      for (let n = 0; n < 2; n++) visit('channel', (tick * 5 + n) * 37 % channels, 'text')
      visit('all', 0, 'text')
      for (let n = 2; n < 5; n++) visit('channel', (tick * 5 + n) * 37 % channels, 'text')
      for (let n = 10; n < 20; n++) visit('user', (tick * 20 + n) * 7919 % 1000, 'text')
    }
  }
}
