"""Models as data: capabilities, dated prices, retirement."""
