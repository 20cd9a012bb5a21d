// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
public import TesseraHeader

@c @implementation @unsafe
public func tessera_get_direct_map(
  _ directMap: UnsafeMutablePointer<tessera_direct_map>?
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    let place = unsafe try CallerOut(sized: directMap)
    let built = Boot.report?.directMap
    place.write(
      tessera_direct_map(
        size: tessera_direct_map.currentSize, base: UInt64(PhysicalMemory.directMapBase),
        end: (built?.end ?? FrameTable.end).rawValue, tables: built?.tableCount ?? 0,
        pages_4k: built?.fourKiBCount ?? 0, pages_2m: built?.twoMiBCount ?? 0,
        pages_1g: built?.oneGiBCount ?? 0))
  }
}
