"""Not a step: answers tiles over HTTP with the model that a channel names, by the V2 inference protocol."""
