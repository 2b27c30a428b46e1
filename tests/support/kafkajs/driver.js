// kafkajs at the end of a pipe: a JSON command a line comes in, a JSON answer a line goes out.
//
//   {"id": 1, "on": "kafka", "call": "producer", "with": [{}], "as": "p"}   ->  {"id": 1}
//   {"id": 2, "on": "p", "call": "connect"}                                 ->  {"id": 2}
//   {"id": 3, "on": "p", "call": "nonsense"}        ->  {"id": 3, "error": {"name", "message", …}}
//   {"id": 4, "on": "c", "call": "run", "with": [{"commit": true}]}         ->  {"id": 4}
//                                              and then   {"of": "c", "record": {…}} for each record
//
// An object is called by the name that `as` gave it; `kafka` is given by "new" with its options.
// Bytes travel as {"$bytes": base64}. Commands are answered when they are done, not in order.

const readline = require('node:readline')
const { createRequire } = require('node:module')
// The packages lie where they were installed, not beside this file.
const installed = createRequire(process.argv[2] + '/package.json')
const { AssignerProtocol, CompressionCodecs, CompressionTypes, Kafka, logLevel } =
  installed('kafkajs')
const snappy = installed('kafkajs-snappy')
const lz4 = installed('lz4-napi')
const zstd = installed('@bokuweb/zstd-wasm')

const objects = new Map()

const say = (message) => process.stdout.write(JSON.stringify(message, pack) + '\n')

function pack(_, value) {
  if (value?.type === 'Buffer') return { $bytes: Buffer.from(value.data).toString('base64') }
  return typeof value === 'bigint' ? Number(value) : value
}

function unpack(_, value) {
  return value?.$bytes === undefined ? value : Buffer.from(value.$bytes, 'base64')
}

function takeCodecs() {
  CompressionCodecs[CompressionTypes.Snappy] = snappy
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: async (encoder) => lz4.compressFrame(encoder.buffer),
    decompress: async (buffer) => lz4.decompressFrame(buffer),
  })
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer, 3)),
    decompress: async (buffer) => Buffer.from(zstd.decompress(buffer)),
  })
}

// kafkajs has an assignor under a name of its own only; these two speak as other clients do.
const share = {
  range: (partitions, members, take) => {
    const [least, more] = [Math.floor(partitions / members), partitions % members]
    for (let member = 0, next = 0; member < members; member++)
      for (let left = least + (member < more ? 1 : 0); left > 0; left--) take(member, next++)
  },
  roundrobin: (partitions, members, take) => {
    for (let next = 0; next < partitions; next++) take(next % members, next)
  },
}

const assigner = (name) => ({ cluster }) => ({
  name,
  version: 0,
  protocol: ({ topics }) => ({
    name,
    metadata: AssignerProtocol.MemberMetadata.encode({ version: 0, topics, userData: Buffer.alloc(0) }),
  }),
  assign: async ({ members, topics }) => {
    const sorted = members.map((member) => member.memberId).sort()
    const assignments = sorted.map(() => Object.fromEntries(topics.map((topic) => [topic, []])))
    for (const topic of topics) {
      const partitions = cluster.findTopicPartitionMetadata(topic).length
      share[name](partitions, sorted.length, (member, index) => assignments[member][topic].push(index))
    }
    return sorted.map((memberId, index) => ({
      memberId,
      memberAssignment: AssignerProtocol.MemberAssignment.encode({
        version: 0,
        assignment: assignments[index],
        userData: Buffer.alloc(0),
      }),
    }))
  },
})

function withAssigners(options) {
  if (options?.partitionAssigners === undefined) return options
  return { ...options, partitionAssigners: options.partitionAssigners.map(assigner) }
}

async function run(name, consumer, { commit, limit = Infinity }) {
  let left = limit
  consumer.on('consumer.group_join', ({ payload }) => say({ of: name, joined: payload.memberAssignment }))
  consumer.on('consumer.crash', ({ payload }) => {
    // With its only broker away, it ends in a way from which it begins anew by itself.
    if (!payload.restart) say({ of: name, crashed: String(payload.error) })
  })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ topic, partition, message }) => {
      if (left-- <= 0) return
      if (commit) {
        const offset = String(BigInt(message.offset) + 1n)
        await consumer.commitOffsets([{ topic, partition, offset }])
      }
      say({ of: name, record: { partition, ...message } })
    },
  })
}

async function carryOut({ on, call, with: given = [], as }) {
  let result
  if (call === 'new') {
    objects.set(on, new Kafka({ logLevel: logLevel.NOTHING, ...given[0] }))
  } else if (call === 'consumer') {
    result = objects.get(on).consumer(withAssigners(given[0]))
  } else if (call === 'run') {
    await run(on, objects.get(on), given[0])
  } else {
    const target = objects.get(on)
    if (typeof target?.[call] !== 'function') throw new Error(`${on} has no ${call}`)
    result = await target[call](...given)
  }
  if (as === undefined) return result
  objects.set(as, result)
  return undefined
}

async function main() {
  await zstd.init()
  takeCodecs()
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line, unpack)
    carryOut(command).then(
      (result) => say({ id: command.id, result }),
      ({ name, message, type, code }) => say({ id: command.id, error: { name, message, type, code } }),
    )
  }
  process.exit(0)
}

main()
