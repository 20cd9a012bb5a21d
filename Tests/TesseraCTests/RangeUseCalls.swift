import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine.ContractTests {
  /// Those that search, count and move, in a part of the space where nothing is mapped before.
  func rangeUseCalls(_ value: UnsafeMutablePointer<UInt64>) -> [Calls] {
    let page = Self.page + 0x8000_0000
    let (space, flags) = (world.space, world.readWrite)
    return [
      Calls(name: "find_free") {
        tessera_find_free(space, 0x1000, 4096, page, value)
      } fail: {
        tessera_find_free(space, 0x1000, 3, page, value)
      },
      Calls(name: "move") {
        tessera_map_zeroed(space, page, 0x3000, flags, nil)
        return tessera_move(space, page, 0x3000, page + 0x4000_0000, nil)
      } fail: {
        tessera_move(space, page, 0x3000, page + 0x4000_0000, nil)
      },
      Calls(name: "resident") {
        tessera_resident(space, page, 0x8000_0000, value)
      } fail: {
        tessera_resident(space, page, 0x8000_0000, nil)
      },
      Calls(name: "harvest") {
        tessera_harvest(space, page, 0x8000_0000, UInt32(TESSERA_ACCESSED), nil, nil)
      } fail: {
        tessera_harvest(space, page, 0x8000_0000, 1, nil, nil)
      },
    ]
  }
}
