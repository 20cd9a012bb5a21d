internal import Synchronization

extension PageTableNode {
  /// What the pager knows this root by; 0 if it does not page the space.
  package var pagerNumber: UInt64 {
    get {
      // Ordering: acquiring, pairs with the store: what the pager knows of the space is there.
      metadata.pager.load(ordering: .acquiring)
    }
    nonmutating set {
      // Ordering: releasing, pairs with the load.
      metadata.pager.store(newValue, ordering: .releasing)
    }
  }
}
