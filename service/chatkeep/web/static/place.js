// Where a conversation stands in its scroller: at its end while that grows, or where somebody has scrolled to.

const END = 80; // as near to the end is at it

export class Place {
  constructor(scroller) {
    this.scroller = scroller;
    this.reset();
    new ResizeObserver(() => this.keepAtEnd()).observe(scroller);
  }

  reset() {
    this.pinned = true;
    this.endTop = 0; // where the page was put to last
  }

  distance(direction) {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    return direction === "up" ? scrollTop : scrollHeight - scrollTop - clientHeight;
  }

  /** Somebody has scrolled; `isEnd` tells whether what is below is the conversation's end. */
  scrolled(isEnd) {
    this.pinned = isEnd && this.distance("down") < END;
  }

  keepAtEnd() {
    // Who has just scrolled up is not taken back, though the event that tells of it is still to come.
    if (this.scroller.scrollTop < this.endTop - END && this.distance("down") > END) this.pinned = false;
    if (this.pinned) this.scroller.scrollTop = this.scroller.scrollHeight;
    this.endTop = this.scroller.scrollTop;
  }

  toEnd() {
    this.reset();
    this.keepAtEnd();
  }

  /** Put `element` so far below the scroller's top. */
  show(element, offset) {
    this.pinned = false;
    this.scroller.scrollTop += this.offsetOf(element) - offset;
  }

  offsetOf(element) {
    return element.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top;
  }

  /** Change what is above the bottom of `element`; what is below it stays where it is in sight. */
  keepBelow(element, change) {
    const before = element.offsetTop + element.offsetHeight;
    change();
    this.scroller.scrollTop += element.offsetTop + element.offsetHeight - before;
  }
}
