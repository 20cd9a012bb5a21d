import SimulatedMachine

/// A fault of the simulated MMU, by a name that differs from the library's.
typealias SimulatedPageFault = PageFault
