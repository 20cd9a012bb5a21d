internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// Operations of a cursor that change what is there, or look for it.

extension RandomSpaceOperations {
  mutating func unmap(_ cursor: inout Cursor, _ number: Int, _ cells: Range<Int>) {
    let expected = mappedByteCount(in: number, cells)
    note(.unmap, number, cells)
    arm()
    do throws(TesseraError) {
      let byteCount = try cursor.unmap(world(number).byteCount(cells))
      expectSuccess(cursor, number, cells, nil)
      expect(byteCount == expected, "unmapping says how much was mapped")
      for index in cells { forgetPage(index, of: number) }
    } catch {
      expectError(error, nil)
      expectUnmoved(cursor, number, cells)
    }
    disarm()
  }

  mutating func protect(_ cursor: inout Cursor, _ number: Int, _ cells: Range<Int>) {
    let expected = mappedByteCount(in: number, cells)
    let access = chooseProperty(number).access
    note(.protect, number, cells, value: UInt64(access.rawValue))
    arm()
    do throws(TesseraError) {
      let byteCount = try cursor.protect(world(number).byteCount(cells), to: access)
      expectSuccess(cursor, number, cells, nil)
      expect(byteCount == expected, "protecting says how much is mapped")
      for index in cells where modelPage(index, of: number).isMapped {
        noteRights(of: index, number, access, mayGiveWriting: access.allowsWrite)
      }
    } catch {
      expectError(error, nil)
      expectUnmoved(cursor, number, cells)
    }
    disarm()
  }

  mutating func mark(_ cursor: inout Cursor, _ number: Int, _ cells: Range<Int>) {
    let payload = UInt32(truncatingIfNeeded: generator.next())
    let expected = mapError(number, cells)
    note(.mark, number, cells, value: UInt64(payload))
    arm()
    do throws(TesseraError) {
      try cursor.setStatus(world(number).byteCount(cells), to: payload)
      expectSuccess(cursor, number, cells, expected)
      for index in cells {
        models[number][index] = ModelPage(kind: .status, value: UInt64(payload))
      }
    } catch {
      expectError(error, expected)
      expectUnmoved(cursor, number, cells)
    }
    disarm()
  }

  mutating func findNext(_ cursor: inout Cursor, _ number: Int, _ cells: Range<Int>) {
    note(.findNext, number, cells)
    let world = world(number)
    let isFound = cursor.findNext(within: world.byteCount(cells))
    let first = firstMapped(in: number, cells)
    expect(isFound == (first != nil), "a page is found if there is one")
    expect(
      cursor.address.rawValue == world.start(first ?? cells.upperBound),
      "a cursor stops at the first page, or at the end")
  }

  /// Visits `cells` in runs, which must be as many bytes, and as many of them mapped.
  mutating func visitRuns(_ cursor: inout Cursor, _ number: Int, _ cells: Range<Int>) {
    let world = world(number)
    do throws(TesseraError) {
      try cursor.jump(to: VirtualAddress(world.start(cells.lowerBound)))
    } catch { differ("a cursor jumps anywhere in its range") }
    var next = world.start(cells.lowerBound)
    var isContiguous = true
    var mapped: UInt64 = 0
    cursor.forEachRun(within: world.byteCount(cells)) { run in
      if run.start.rawValue != next || run.byteCount == 0 { isContiguous = false }
      next = run.start.rawValue &+ run.byteCount
      if case .mapped = run.content { mapped += run.byteCount }
    }
    expectSuccess(cursor, number, cells, nil)
    expect(isContiguous && next == world.end(cells.upperBound - 1), "runs are contiguous", next)
    expect(mapped == mappedByteCount(in: number, cells), "runs tell what is mapped")
  }

  /// Jumps to addresses that are allowed and to some that are not.
  mutating func jump(_ cursor: inout Cursor, _ number: Int, _ cells: Range<Int>) {
    note(.jump, number, cells)
    let start = world(number).start(cells.lowerBound)
    let end = world(number).start(cells.upperBound)
    let inside = start + generator.next() % (end - start) & ~4095
    expectJump(&cursor, to: inside, nil)
    expectJump(&cursor, to: end + 4096, .outOfBounds)
    expectJump(&cursor, to: start &- 4096, .outOfBounds)
    expectJump(&cursor, to: inside + 1 + generator.next() % 4095, .notAligned)
    expectJump(&cursor, to: .max, .notAligned)
    expectJump(&cursor, to: ~4095, .outOfBounds)
    expect(cursor.address.rawValue == inside, "a cursor does not move when it throws", inside)
    expectJump(&cursor, to: end, nil)
    expect(cursor.isAtEnd, "the end is the end", end)
    do throws(TesseraError) {
      _ = try cursor.query()
      differ("nothing is found at the end", end)
    } catch {
      expect(error == .outOfBounds, "nothing is found at the end", end)
    }
  }

  private mutating func expectJump(
    _ cursor: inout Cursor, to address: UInt64, _ expected: TesseraError?
  ) {
    do throws(TesseraError) {
      try cursor.jump(to: VirtualAddress(address))
      expect(expected == nil && cursor.address.rawValue == address, "a jump leads there", address)
    } catch {
      expect(error == expected, "an invalid jump throws", address)
    }
  }
}

extension RandomSpaceOperations {
  /// Copies pages of one space into another one, to the same place or to another row.
  mutating func copy() {
    let from = generator.below(Self.spaceCount)
    let to = (from + 1 + generator.below(Self.spaceCount - 1)) % Self.spaceCount
    guard isThere[from], isThere[to] else { return }
    let world = world(from)
    var source = chooseCells(within: 0..<world.cellCount)
    var target = source
    if generator.oneIn(2) {
      source = world.pages(from: source.lowerBound, atMost: 8)
      target = world.pages(from: generator.below(world.cellCount), atMost: source.count)
      source = source.lowerBound..<source.lowerBound + target.count
    }
    guard !source.isEmpty, let first = spaces[from].take() else { return }
    if let second = spaces[to].take() {
      note(.copy, to, target, value: world.start(source.lowerBound))
      copy(from: first.space, from, source, to: second.space, to, target)
      spaces[to] = consume second
    }
    spaces[from] = consume first
    check(from, source)
    check(to, target)
  }

  private mutating func copy(
    from first: borrowing VmSpace, _ from: Int, _ cells: Range<Int>,
    to second: borrowing VmSpace, _ to: Int, _ target: Range<Int>
  ) {
    let world = world(from)
    let expected: TesseraError? = firstPresent(in: to, target).map {
      .alreadyMapped(VirtualAddress(world.start($0)))
    }
    do throws(TesseraError) {
      var source = try first.cursor(over: world.addresses(cells))
      var cursor = try second.cursor(over: world.addresses(target))
      arm()
      defer { disarm() }
      do throws(TesseraError) {
        try cursor.copy(from: &source, world.byteCount(cells))
        expectSuccess(cursor, to, target, expected)
        expect(source.isAtEnd, "copying moves both cursors")
        notePagesCopied(from, cells, to, target)
      } catch {
        expectError(error, expected)
        expectUnmoved(cursor, to, target)
        expectUnmoved(source, from, cells)
      }
    } catch { differ("two spaces can be locked at once") }
  }

  private mutating func notePagesCopied(
    _ from: Int, _ cells: Range<Int>, _ to: Int, _ target: Range<Int>
  ) {
    for index in cells {
      let place = target.lowerBound + index - cells.lowerBound
      var page = modelPage(index, of: from)
      if page.ownsFrame {
        if page.kind == .frame { accounting.addMapping(Int(page.value)) }
        page.noteFork()
        models[from][index] = page
      }
      models[to][place] = page
    }
  }
}
