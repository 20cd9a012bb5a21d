import SimulatedMachine
import TesseraFrames
import TesseraHardware
import TesseraHeap

// The heap: objects that other processors free than the one that they belong to.
extension Scenario {
  static var heap: [Scenario] {
    [
      freeForOther, freeWhileAllocating, freeLast, freeTwoForOther, freeForEachOther,
      askForSlab, freedTwice,
    ]
  }

  /// Processor 0 has a slab with as many objects as places, of 2,048 bytes.
  private static func heap(
    _ name: StaticString, _ about: StaticString, objectCount: Int, processorCount: Int = 2,
    expected: StaticString? = nil, body: @escaping (World, Int) -> Void
  ) -> Scenario {
    Scenario(
      name: name, about: about, processorCount: processorCount, hasStoreBuffers: expected == nil,
      isLinear: false, expected: expected,
      prepare: { world in
        for index in 0..<objectCount { world.allocateObject(index) }
        // Each has a heap, so that none is made in a schedule.
        for number in 1..<processorCount {
          asProcessor(number) {
            world.allocateObject(9)
            world.freeObject(9)
          }
        }
      }, body: body)
  }

  private static var freeForOther: Scenario {
    heap(
      "heap-free", "two objects of a slab are freed, one by another processor", objectCount: 2
    ) { world, number in world.freeObject(number) }
  }

  private static var freeWhileAllocating: Scenario {
    heap(
      "heap-free-allocate", "an object is freed for its owner, which allocates", objectCount: 2
    ) { world, number in
      if number == 1 { return world.freeObject(1) }
      world.allocateObject(2)
      world.freeObject(2)
    }
  }

  private static var freeLast: Scenario {
    heap("heap-free-trim", "a slab becomes empty while its owner trims", objectCount: 1) {
      world, number in
      if number == 1 { world.freeObject(0) } else { world.trimHeap() }
    }
  }

  private static var freeTwoForOther: Scenario {
    heap(
      "heap-free-free", "two processors free for a third, which takes back", objectCount: 2,
      processorCount: 3
    ) { world, number in
      if number == 0 { world.trimHeap() } else { world.freeObject(number - 1) }
    }
  }

  private static var freeForEachOther: Scenario {
    heap("heap-exchange", "two processors free for each other, and allocate", objectCount: 2) {
      world, number in
      world.freeObject(1 - number)
      world.allocateObject(2 + number)
    }
  }

  /// The only free frame is a slab that the other keeps.
  private static var askForSlab: Scenario {
    Scenario(
      name: "heap-ask", about: "a processor asks for a slab that another keeps, and uses",
      isLinear: false,
      prepare: { world in
        asProcessor(1) {
          world.allocateObject(1)
          world.freeObject(1)
        }
        world.useUpFrames()
      },
      body: { world, number in
        if number == 0 { return world.allocate(0) }
        world.allocateObject(1)
        world.freeObject(1)
      })
  }

  /// The second free panics: by the bit, or when the owner takes the object back.
  private static var freedTwice: Scenario {
    heap(
      "wrong-heap-free", "an object is freed by its owner, and by another processor",
      objectCount: 1, expected: "panic"
    ) { world, number in
      world.freeSameObject(0)
      if number == 0 { world.trimHeap() }
    }
  }
}
