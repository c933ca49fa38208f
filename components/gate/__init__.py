"""Step: is the model good enough, and better than production by more than noise?"""
