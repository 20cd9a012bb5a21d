import CTessera
import SimulatedMachine
import Testing

private typealias Tables = HandMadeTables

extension OnSimulatedMachine {
  @Suite("A permission") struct PermissionTests {
    /// The truth table. A row is the rights that all levels grant together: user, write, execute.
    /// The columns are read, write and fetch by user mode, by the kernel, and by the kernel with
    /// EFLAGS.AC set.
    ///
    /// Y is permitted and a dot denied. The others are permitted while a feature is disabled: p
    /// write protection, e SMEP, a SMAP, b both write protection and SMAP.
    private static let truth: [String] = [
      "--- ... Yp. Yp.",
      "--x ... YpY YpY",
      "-w- ... YY. YY.",
      "-wx ... YYY YYY",
      "u-- Y.. ab. Yp.",
      "u-x Y.Y abe Ype",
      "uw- YY. aa. YY.",
      "uwx YYY aae YYe",
    ]

    private struct Features {
      var isWriteProtecting, hasSMEP, hasSMAP: Bool

      func permits(_ mark: Character) -> Bool {
        switch mark {
        case "Y": true
        case "p": !isWriteProtecting
        case "e": !hasSMEP
        case "a": !hasSMAP
        case "b": !isWriteProtecting && !hasSMAP
        default: false
        }
      }

      func load() {
        hw_write_cr0(hw_read_cr0() & ~(1 << 16) | (isWriteProtecting ? 1 << 16 : 0))
        hw_write_cr4(
          hw_read_cr4() & ~(3 << 20) | (hasSMEP ? 1 << 20 : 0) | (hasSMAP ? 1 << 21 : 0))
      }
    }

    /// Bit 0: user, 1: write, 2: execute.
    private func bits(_ rights: Int) -> UInt64 {
      Tables.present | (rights & 1 != 0 ? Tables.user : 0)
        | (rights & 2 != 0 ? Tables.writable : 0) | (rights & 4 != 0 ? 0 : Tables.noExecute)
    }

    private func mark(_ rights: Int, _ privilege: Int, _ kind: Int) -> Character {
      let name =
        (rights & 1 != 0 ? "u" : "-") + (rights & 2 != 0 ? "w" : "-")
        + (rights & 4 != 0 ? "x" : "-")
      let row = Self.truth.first { $0.hasPrefix(name) }!
      return Array(row)[4 + 4 * privilege + kind]
    }

    @Test(arguments: 0..<8)
    func `matches the truth table for all rights at all levels`(features: Int) {
      let tables = HandMadeTables()
      let features = Features(
        isWriteProtecting: features & 1 != 0, hasSMEP: features & 2 != 0, hasSMAP: features & 4 != 0
      )
      features.load()
      var wrong = 0
      for combination in 0..<4096 {
        var together = 7
        for level in 0..<4 {
          let rights = combination >> (3 * level) & 7
          together &= rights
          let frame = 4 - level
          tables.set(bits(rights) | UInt64(level == 0 ? 8 : frame + 1) << 12, frame % 4, of: frame)
        }
        for (column, privilege) in Privilege.allCases.enumerated() {
          for (place, kind) in AccessKind.allCases.enumerated() {
            let isPermitted = features.permits(mark(together, column, place))
            if !answers(tables, kind, privilege, isPermitted) { wrong += 1 }
          }
        }
        tables.invalidate(0)
      }
      #expect(wrong == 0)
    }

    /// Returns whether the machine permits an access to page 0, or denies it with the right error
    /// code, as `isPermitted` says.
    private func answers(
      _ tables: HandMadeTables, _ kind: AccessKind, _ privilege: Privilege, _ isPermitted: Bool
    ) -> Bool {
      let address = Tables.page(0)
      do throws(PageFault) {
        let page = try tables.mmu.translate(address, for: kind, as: privilege)
        return isPermitted && page.physicalAddress == 0x8000
      } catch {
        var code: UInt32 = 1
        if kind == .write { code |= 2 }
        if privilege == .user { code |= 4 }
        if kind == .fetch { code |= 16 }
        return !isPermitted && error == .page(address: address, PageFaultCode(rawValue: code))
      }
    }
  }
}
